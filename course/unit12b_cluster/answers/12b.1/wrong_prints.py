# outcome: FAIL
# stage: three things
# message: Is there a `return`?
def look_at(answer):
    print(answer["cores"] - answer["coresused"], answer["workers"], answer["activeapps"])
