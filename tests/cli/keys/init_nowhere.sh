mvpctl keys init nothing/here
