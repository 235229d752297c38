mvpctl
