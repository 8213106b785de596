import sys

from scripts.stories import STORIES, write

for name in sys.argv[1:] or STORIES:
    write(name)
