"""The web pages: what is going on, for a browser, with or without JavaScript.

events      who follows the generations, and how they are told
paint       values as a page shows them: numbers, ages, cells, sparklines
assets      stylesheet and scripts, with their versions
site        which path is which page, and what fills it
"""

from qasino_server.pages.site import Pages

__all__ = ["Pages"]
