"""What the pipeline has brought, to look at: charts of the market in a notebook and in a page."""
