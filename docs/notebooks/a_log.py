# /// script
# requires-python = ">=3.11"
# dependencies = ["altair", "duckdb", "marimo", "pytz"]
# ///
"""A marimo notebook about a campaign: it starts from the log as a table, and asks it in SQL.

    move37 export-log log.parquet --home lab1 --parquet
    uvx marimo edit --sandbox docs/notebooks/a_log.py -- --log log.parquet

It runs as a script too (`uv run docs/notebooks/a_log.py --log log.parquet`), and needs nothing of move37. `data` is the
event as JSON; the reference page "Events and subjects" lists its fields.
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import altair as alt
    import duckdb
    import marimo as mo

    file = mo.cli_args().get("log") or "log.parquet"
    database = duckdb.connect()
    database.execute(f"CREATE VIEW log AS FROM '{file}'")

    def ask(statement):
        """Return the rows of an answer as dictionaries."""
        answer = database.execute(statement)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    return alt, ask, file, mo


@app.cell
def _(ask, file, mo):
    campaigns = ask("""
        SELECT campaign, data->>'$.goal' AS goal, data->>'$.scale' AS scale, data->>'$.policy' AS policy, time
        FROM log WHERE type = 'CampaignStarted' ORDER BY seq
    """)
    mo.md(f"# {file}\n\n{campaigns[-1]['goal'] if campaigns else 'No campaign has started.'}")
    return (campaigns,)


@app.cell
def _(campaigns, mo):
    mo.ui.table(campaigns, label="Campaigns")
    return


@app.cell
def _(ask, mo):
    mo.ui.table(
        ask("SELECT type, count(*) AS events FROM log GROUP BY type ORDER BY events DESC"), label="Events by type"
    )
    return


@app.cell
def _(ask, mo):
    scores = ask("""
        WITH proposal AS (
            SELECT campaign, experiment, any_value(data->>'$.name') AS name, any_value(data->>'$.origin') AS origin
            FROM log WHERE type = 'ProposalCreated' GROUP BY ALL
        )
        SELECT row_number() OVER (ORDER BY seq) AS place, experiment, name, origin,
            round((data->>'$.fitness')::DOUBLE, 3) AS fitness, round((data->>'$.parts.loss')::DOUBLE, 3) AS loss_part,
            round((data->>'$.parts.benchmark')::DOUBLE, 3) AS benchmark_part
        FROM log JOIN proposal USING (campaign, experiment) WHERE type = 'AnalysisReady' ORDER BY fitness DESC
    """)
    mo.ui.table(scores, label="Scores: one seed, so they show where to look and prove nothing")
    return (scores,)


@app.cell
def _(alt, mo, scores):
    points = alt.Chart(alt.Data(values=scores)).mark_point(filled=True, size=70).encode(
        x=alt.X("place:Q", title="in the order of their analyses"), y=alt.Y("fitness:Q"), color="origin:N",
        tooltip=["experiment:N", "name:N", "fitness:Q"],
    )  # fmt: skip
    mo.ui.altair_chart(points) if scores else mo.md("Nothing has a score yet.")
    return


@app.cell
def _(ask, mo):
    mo.ui.table(ask("""
        SELECT data->>'$.stage' AS stage, data->>'$.reason' AS reason, count(*) AS failures,
            count(*) FILTER (WHERE (data->>'$.final')::BOOLEAN) AS given_up
        FROM log WHERE type = 'CodeFailed' GROUP BY ALL ORDER BY failures DESC
    """), label="What failed, and how often an experiment was given up for it")  # fmt: skip
    return


@app.cell
def _(ask, mo):
    mo.ui.table(ask("""
        WITH span AS (
            SELECT experiment, min(time) FILTER (WHERE type = 'RunStarted') AS started,
                max(time) FILTER (WHERE type = 'RunCompleted') AS completed, min(time) AS opened, max(time) AS ended
            FROM log WHERE experiment <> 'campaign' GROUP BY experiment
        )
        SELECT experiment, date_diff('second', opened, ended) AS seconds,
            date_diff('second', started, completed) AS in_training FROM span ORDER BY seconds DESC LIMIT 20
    """), label="Where the time went")  # fmt: skip
    return


if __name__ == "__main__":
    app.run()
