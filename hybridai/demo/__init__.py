"""The demo: a small factory that a stranger watches after one command. Everything in it goes through the product."""
