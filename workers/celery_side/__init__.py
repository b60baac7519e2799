"""How does a message reach a job?"""
