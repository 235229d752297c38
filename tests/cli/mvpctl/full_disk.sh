# Standard output that cannot be written is an error, not a success with half an answer.
mvpctl help >/dev/full
