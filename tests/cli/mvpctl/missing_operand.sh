mvpctl validate
