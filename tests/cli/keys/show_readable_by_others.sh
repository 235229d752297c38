chmod 644 keys/master.key
mvpctl keys show keys/master.key
