"""What answers HTTP?"""
