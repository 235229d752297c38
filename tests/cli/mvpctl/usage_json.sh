mvpctl --json biuld
