"""The fields of a form: for each kind of place in a JSON value, the widgets that show and change it."""
