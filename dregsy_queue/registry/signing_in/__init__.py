"""How does a request prove who sends it? Challenges, tokens, and the header that follows."""
