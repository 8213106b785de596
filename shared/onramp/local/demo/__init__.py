"""`onramp demo`: the story of a signup, told with real API calls. Start reading at story.py."""
