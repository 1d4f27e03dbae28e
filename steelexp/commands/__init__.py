"""One module a command of the command line."""

COMMANDS = {
    "run": "train, evaluate and track an experiment, or run a hyperparameter search",
    "forecast": "forecast how many more labelled images a spec needs for a score",
    "check": "check specs; train nothing",
    "explain": "say what a setting of a spec means",
    "schema": "print the JSON Schema of a kind of file",
    "evaluate": "re-evaluate finished runs from their weights",
    "predict": "write masks, overlays and a table of defects for images",
    "export": "write a trained network as ONNX, SavedModel or TensorFlow Lite",
    "reproduce": "train a finished run again and compare every metric",
    "list": "print the leaderboard of a folder of runs",
    "show": "print one run, or one search",
    "report": "write an HTML page of a run, a search, or a folder of runs",
    "sync": "send to Comet what it does not have yet",
    "dashboard": "write the team's dashboards at Comet from code",
    "data": "generate, fetch, examine, extend or convert a data set",
}
"""Command -> its line of help. The module of that name in this package adds its arguments.

Only the module of the command that was typed is imported, so `--help` answers at once.
"""
