"""`onramp demo`: signups, rejections and failures on a local stack, through real API calls. Start reading at run.py."""
