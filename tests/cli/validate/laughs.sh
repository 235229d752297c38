# Entities that expand to entities: refused at the first one.
python3 - <<'X' >laughs.yaml
print("a0: &a0 [lol, lol]")
for i in range(1, 30):
    print(f"a{i}: &a{i} [*a{i-1}, *a{i-1}]")
X
mvpctl validate laughs.yaml
