import RaliCore
