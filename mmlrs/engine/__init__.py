"""How stages run: on Arrow tables (`table`) and on Spark DataFrames (`spark`)."""
