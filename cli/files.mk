# cli/*.c is the mvpctl program.
