"""How does a task become jobs?"""
