"""The web pages: what is going on, for a browser, with or without JavaScript.

events      who follows the generations, and how they are told
paint       values as a page shows them: numbers, ages, cells, sparklines
links       addresses that pages link to
envelope    the headers that pages go out with
files       stylesheet and scripts, with their versions
templating  templates -> HTML
contents    what fills each page
recent      pages that were made a moment ago
site        which path is which page
"""

from qasino_server.pages.site import Pages

__all__ = ["Pages"]
