# Nesting deeper than any manifest needs ends in one error, not in a stack overflow.
python3 -c 'print("a: " + "[" * 100000)' >deep.yaml
mvpctl validate deep.yaml
