"""What a hit says by the by: the page of its address, where its visitor came from, on what device, in which session.

Pure, and below all else, since the hits that come and the rows that were there before are read alike.
"""
