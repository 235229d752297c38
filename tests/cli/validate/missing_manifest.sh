mvpctl validate nothing.yaml
