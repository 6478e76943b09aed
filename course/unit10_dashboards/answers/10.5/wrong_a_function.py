# outcome: FAIL
# stage: is a statement
# message: not a text
def VIEW(connection):
    connection.execute(text("SELECT 1"))
