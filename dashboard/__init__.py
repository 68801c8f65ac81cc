"""Web pages of a campaign: the report, one self-contained HTML page with SVG pictures, and the live page."""
