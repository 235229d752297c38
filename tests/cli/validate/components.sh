# What is built together works together; a version that is not said is older than all others.
sed -e 's/^personas:/hypervisor: {component-version: 4, needs: {personal: 2, work: 1}}\npersonas:/' \
	-e 's/^    network: none/&\n    component-version: 1\n    needs: {hypervisor: 5}/' good.yaml >parts.yaml
mvpctl validate parts.yaml
