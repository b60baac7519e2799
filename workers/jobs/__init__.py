"""What is done with one job?"""
