"""From a file to a table of texts, with every id exactly as it stands there; doubtful files are refused.

Nothing here sends, plans or stores; pandas and python-calamine live here and nowhere else.
"""
