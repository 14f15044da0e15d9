from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def nav_entries(request: HttpRequest) -> HttpResponse:
    """The navigation with its counters, alone, for the live page."""
    return render(request, "_nav_entries.html")
