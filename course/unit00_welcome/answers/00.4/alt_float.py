def percent_moved(before, now):
    return (float(now) - float(before)) / float(before) * 100
