mvpctl explain --json MVP0204
