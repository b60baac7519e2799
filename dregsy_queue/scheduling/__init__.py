"""When does a run start?"""
