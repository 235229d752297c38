mvpctl completion --json bash
