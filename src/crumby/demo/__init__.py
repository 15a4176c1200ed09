"""A year of visits that nobody paid, so that the page can be seen before the first real one.

demo/town.py    what there is to pick from: browsers, screens, hours, ways to come
demo/bakery.py  the sites of a bakery that does not exist, and who finds the way there
demo/people.py  its visitors, and what they do, day by day → Visit | Event
demo/filling.py their rows into an empty database, as a hit's are: with sessions, visitors and refusals
"""
