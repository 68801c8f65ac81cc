"""The campaigns of a folder as pages: `python -m lab.operations.campaign_report` (`make campaign-report`).

The pages follow from the exported logs in `docs/campaigns` alone, byte for byte: no clock, no lab and no setting
enters. `docs/campaigns/README.md` compares the campaigns, a page for each has its evidence, and `docs/discoveries` has
a page for each confirmed design. Whatever other page these folders hold is deleted, since nobody edits them.
"""
