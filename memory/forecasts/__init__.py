"""Forecasts: models of a campaign's objective over its designs, refitted as analyses come.

`features` turns designs into counts of tokens, `objective` says what is predicted, `surrogate` and `parzen` are the
two kinds of model, and `index` keeps the models of every campaign. A model depends on the log up to a position alone.
"""
