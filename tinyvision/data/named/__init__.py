"""The data sets that have a name: MNIST, Fashion-MNIST, CIFAR-10, and those that need no download.

===============  ============================================================
``sources.py``   the list: what each set is, where it comes from
``idx.py``       the files of MNIST and its kin
``cifar.py``     those of CIFAR-10
``digits.py``    scikit-learn's small digits
``shapes.py``    coloured shapes, drawn on the spot
``outlines.py``  what makes a circle a circle, and a star a star
===============  ============================================================
"""
