"""The page: how do mirrors stand, for people with a browser?"""
