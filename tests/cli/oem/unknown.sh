mvpctl oem show samsun
