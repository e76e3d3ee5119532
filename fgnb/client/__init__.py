"""The HTTP client of the service: says exactly what became of every request, sends none twice."""
