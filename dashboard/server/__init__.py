"""The dashboard over HTTP: the page, a JSON API, a stream of CloudEvents, and what people say."""
