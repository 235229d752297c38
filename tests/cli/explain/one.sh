mvpctl explain MVP0203
mvpctl explain mvp0203 | head -n 1
mvpctl explain 0203 | head -n 1
