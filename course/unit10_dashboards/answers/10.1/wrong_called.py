# outcome: FAIL
# stage: is a function
# message: Pass the function itself
candle_figure = go.Figure()
