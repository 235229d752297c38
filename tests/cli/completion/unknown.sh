mvpctl completion bsah
