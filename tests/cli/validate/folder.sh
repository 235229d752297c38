mvpctl validate keys
