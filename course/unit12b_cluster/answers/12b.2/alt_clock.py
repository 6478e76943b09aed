def stage_time(durations, slots):
    now, waiting, running = 0, list(durations), []
    while waiting or running:
        while waiting and len(running) < slots:
            running.append(now + waiting.pop(0))
        now = min(running)
        running.remove(now)
    return now
