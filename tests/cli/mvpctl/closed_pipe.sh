# A reader that goes away ends in an error message, not in a death by signal.
{ sleep 1; mvpctl explain 2>err || echo $? >code; } | true
sleep 2
cat err code
