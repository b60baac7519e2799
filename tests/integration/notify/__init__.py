"""Who is told when a mirror fails, recovers, or grows stale?"""
