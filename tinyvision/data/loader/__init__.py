"""Deal images out in batches: in which order, prepared by whom, and how far ahead.

======================  ==================================================
``shuffle.py``          a random order that no memory has to hold
``order.py``            in order, shuffled, or every class equally often
``prefetch.py``         work done ahead by threads, results in order
``batches.py``          ``Batches``, which puts the three together
======================  ==================================================
"""
