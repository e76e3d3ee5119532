"""The notebook: magics, cell bodies, forms; the only place that knows IPython and ipywidgets."""
