"""Read files into tables of text, with every id exactly as in the file; doubtful files are refused.

Nothing here sends, plans or stores. pandas and python-calamine are imported in this package only.
"""
