"""Included by the workers of the soak test: a planner leaves more than 40 images to others, in parts of 15."""

from dregsy_queue.planning import planner

planner.MOST_ALONE, planner.SHARD = 40, 15
